"""A fab that writes true files: products, tools, signatures, lots, and the truth.

==============  ========================================================================================================================
``fab``         plans, draws and writes it all; start here
``schedule``    lots, tools, chambers and the class of every wafer; ``products`` and their die grids
``signatures``  the taxonomy as drawings, from ``rings``, ``areas``, ``lines`` and ``background``, on a ``scene``
``difficulty``  every number that makes it easy or hard
``station``     writes the files of a lot; ``damage`` spoils a few
==============  ========================================================================================================================
"""
