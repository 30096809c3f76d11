"""Facts of EPIC-KITCHENS: clocks, errata, challenge levels, and how the data set keeps optical flow in bytes.

Imports nothing of ours. Offers `facts` and `flow`.
"""
