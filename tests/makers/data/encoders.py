"""Tiny random video encoders of `transformers`' own classes, in folders as the hub would have them."""

import json
from pathlib import Path
from typing import Any

import torch

SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    "vjepa2": SMALL
    | {"crop_size": 64, "frames_per_clip": 8, "pred_hidden_size": 24, "pred_num_attention_heads": 2}
    | {"pred_num_hidden_layers": 1, "num_pooler_layers": 1},
    "videomae": SMALL | {"image_size": 64, "num_frames": 8, "intermediate_size": 48},
    "vivit": SMALL | {"image_size": 64, "num_frames": 8, "intermediate_size": 48},
    "timesformer": SMALL | {"image_size": 64, "num_frames": 4, "intermediate_size": 48},
}
MEAN, STD = [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]


def write_encoder(folder: Path, family: str, **changes: Any) -> Path:
    """Configuration, weights and preprocessing of an encoder."""
    import transformers

    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, **CONFIGS[family] | changes)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_mean": MEAN, "image_std": STD}))
    return folder
