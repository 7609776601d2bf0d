"""The command line: one command per stage and per daily question. Imports are lazy so that ``--help`` is instant.

==============  ==========================================================================
``entry``       the command ``inspection``: all commands in order, and how it ends
``pipeline``    run, simulate, ingest, validate, snapshot, tile, split, train, evaluate
``registry``    register, promote
``operation``   history, worker, alerts, export, status
``files``       classify, show, pyramid
``networks``    model
``quarantine``  quarantine list, show, release
``stage``       runs a stage of ``inspection.stages`` with its progress and its report
``options``     options that several commands share
==============  ==========================================================================
"""

from inspection.cli.entry import command_line, main

__all__ = ["command_line", "main"]
