"""SQL tables: wafers, predictions, alerts, audit, champions, jobs. The only room that runs SQL.

================  ======================================================================================================================
``tables``        every table but one and what one row means; start here
``database``      opens the store; transactions
``files``         and ``wafers``, ``predictions``, ``alerts``, ``champions``, ``audit``, ``jobs``: the questions asked of each table
``validations``   results of the checks of lots and days, their table, and the facts and history that they are made from
``supersession``  which of several versions of one inspection is the newest; ``sightings`` what lay where
``labelled``      what a snapshot freezes; ``calls`` what each wafer was called, for the fab's tools
``status``        how much of everything there is
================  ======================================================================================================================
"""
