"""`egoact import-encoder`: a published checkpoint of V-JEPA 2.1 to weights that `egoact extract` takes."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class ImportEncoderSettings:
    """Take the encoder out of a published checkpoint of V-JEPA 2.1, as safetensors.

    Tensors alone are read; nothing in the file is executed. egoact extract --backbone vjepa2_1_vit_base_384 --weights
    FILE then takes what is written.
    """

    checkpoint: Positional[Path]
    """The .pt file, such as vjepa2_1_vitb_dist_vitG_384.pt."""
    out: Path
    """File to write, .safetensors."""


def import_encoder(settings: ImportEncoderSettings) -> int:
    """Write the file and say which encoder it is."""
    from egoact.core.progress import working
    from egoact.models.backbones.vjepa21 import import_checkpoint

    with working("import-encoder: reading"):
        name = import_checkpoint(settings.checkpoint, settings.out)
    print(f"{settings.out}: {name}; egoact extract --backbone {name} --weights {settings.out}")
    return 0
