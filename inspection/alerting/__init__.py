"""Rules over plain signals, the outbox, the sinks, acknowledgement.

===============  =======================================================================================================================
``judging``      runs ``rules`` over new predictions and writes events; start here
``rules``        which signals make one event; ``summary`` and ``advice`` word it
``outbox``       sends what must still be sent, at least once to every sink
``sink``         what a sink is; ``sinks`` holds log, file, webhook, Alertmanager, mail and chat; ``message`` is what they are told
``acknowledge``  what people do with an alert
===============  =======================================================================================================================
"""
