"""Confusion matrices, thresholds, intervals and the report that people look at.

==============  ========================================================================================================================
``judging``     from a trained network to a judged bundle and its pages; start here
``evaluation``  one candidate on the test part, from ``confusion``, ``imbalance``, ``thresholds``, ``curves`` and ``intervals``
``scorecard``   purity, accuracy and classification rate, as review tools state them
``slices``      the headline numbers by product, tool, lot ..., from the surest difference on; ``differences`` has its tests
``beside``      plain classifiers on hand-made features and on the network's embedding, on the same test wafers
``retrieval``   how well look-alikes are found; ``label_noise`` suspicious labels; ``novelty`` new classes among the unknowns
``regions``     where on the wafer a heat map is hot, in micrometres and dies; ``localisation``: whether that is where the signature is
``counting``    objects of a huge image, one class per patch
``report``      the page: ``wording`` has its sentences, ``figures`` its plots, ``gallery`` its wafers
==============  ========================================================================================================================
"""
