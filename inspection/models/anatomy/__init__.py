"""What a network is, told from its graph alone: nothing is run.

===================  ==========================================================
``graph``            a network's operations in order
``receptive_field``  the pixels that one place of the last map sees
``cost``             multiply-adds and memory of one wafer
``stages``           layers folded by resolution, and all of it together
===================  ==========================================================
"""
