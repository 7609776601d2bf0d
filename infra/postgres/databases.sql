-- One database per engine beside `inspection` (made by POSTGRES_DB). Run once, on an empty volume.
CREATE DATABASE prefect OWNER inspection;
CREATE DATABASE mlflow OWNER inspection;
