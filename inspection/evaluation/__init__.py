"""Confusion matrices, thresholds, intervals and the report that people look at.

==============  ========================================================================================================================
``judging``     from a trained network to a judged bundle and its pages; start here
``evaluation``  one candidate on the test part, from ``confusion``, ``imbalance``, ``thresholds`` and ``intervals``
``beside``      plain classifiers on hand-made features and on the network's embedding, on the same test wafers
``regions``     where on the wafer a heat map is hot, in micrometres and dies; ``localisation``: whether that is where the signature is
``counting``    objects of a huge image, one class per patch
``report``      the page: ``wording`` has its sentences, ``figures`` its plots, ``gallery`` its wafers
==============  ========================================================================================================================
"""
