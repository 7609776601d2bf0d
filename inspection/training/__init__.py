"""Input pipeline, balance, losses, schedules, fit and resume; learning from few labels.

=================  ==================================================================================================
``session``        one training on the files of a snapshot
``fit``            one run of a network: schedule, averaged weights, early stopping; ``inputs`` feeds it, ``checkpoint`` keeps it
``few_labels``     what surrounds `fit` when there is a start, unlabelled wafers, or both:
``transfer``       which layers are carried over from another network
``protocol``       phases: new layers alone, the last stages, all
``pretrain``       self-supervised, on wafers with or without labels
``pseudo_labels``  which calls on unlabelled wafers may be learnt from
=================  ==================================================================================================
"""
