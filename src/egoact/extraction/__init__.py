"""From recordings to features: decoding on several threads, the choice of an engine, clips, whole recordings, flow.

Imports `media`, `models`, `engines` and `store`. Offers `Extraction`, `WantedMoments`, `compute_features`,
`choose_engine` and `compute_flow`.
"""
