"""Ablation studies: the tables of a document on any data set, one training a row."""
