"""A run's own backbone: made smaller, or trained further, on the recordings of whoever uses it.

Imports `extraction`, `runs`, `training` and what lies below. Offers `compress` in `compression` and `finetune` in
`finetuning`.
"""
