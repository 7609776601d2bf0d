"""Proof that a policy leaves no trace of the class: ``design.md`` 5 and 6, as tests with a verdict.

``contract``    what the guard sees of a policy: its views, and views with operations left out
``neutral``     maps without a signature: normal wafers, simulated background where they are few
``planted``     the same with a known signature drawn in, and the donors that belong to them
``statistics``  residual statistics of a view (``pixels``, ``layout``: their compiled loops)
``probe``       a linear probe, and its permutation null
``verdict``     area under the curve -> clean, fail or cannot tell, and how many maps are missing
``trace``       the test itself: which classes leave a trace (``blame``: through which operation)
``network``     the second probe, for what the linear one cannot call; the network is passed in
``against``     real examples of a class against augmented ones
``votes``       does a policy alone move the vote of a trained model?
``examination`` every test of one policy, and its verdict in words
``page``        the page with the evidence
"""
