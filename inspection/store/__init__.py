"""SQL tables: wafers, predictions, alerts, reviews, audit, champions. The only importer of SQLAlchemy."""
