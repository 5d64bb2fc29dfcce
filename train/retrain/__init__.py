"""From the crops that a site has collected to an encoder that is better there, without labels.

`train.retrain.steps` goes the way; `train.retrain.live` asks the live system, which runs as a
process of its own; `train.retrain.collected` reads what it exported and parts it;
`train.retrain.consistency` judges an encoder where nobody has confirmed enough people.
"""
