"""Reads a speech transformer from a local folder, key by key accounted for, or builds it with
seeded random weights. Imported inside ``load``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from nverbench import ArtifactError, LoadContext
from nverbench_backbones.speech_checkpoints import Checkpoint
from nverbench_backbones.transformers_folder import (
    check_configuration,
    from_folder,
    quiet,
    read_json,
)

NEVER_USED = ("masked_spec_embed",)
"""Stands in for masked frames in pretraining and fine-tuning only; a checkpoint without it embeds
the same.
"""
FINE_TUNED = ("projector.", "classifier.", "lm_head.", "layer_weights")
"""Heads of ``...ForSequenceClassification`` and ``...ForCTC``: a fine-tuned folder gives its
encoder, and these are left behind.
"""

SIZES = (
    "conv_dim",
    "conv_stride",
    "conv_kernel",
    "intermediate_size",
    "num_attention_heads",
    "num_conv_pos_embeddings",
    "num_conv_pos_embedding_groups",
    "conv_pos_kernel_size",
    "num_buckets",
    "max_bucket_distance",
)
"""What shapes the network besides its width and depth: a folder that says otherwise is another
network, or asks for more memory than there is.
"""


def transformers_class(checkpoint: Checkpoint, kind: str) -> Any:
    """The class of that architecture, by kind: Config, Model, ForCTC, ..."""
    import transformers

    return getattr(transformers, checkpoint.architecture + kind)


def untrained(checkpoint: Checkpoint, ctx: LoadContext) -> nn.Module:
    """The published architecture with random weights from ``ctx.seed`` alone."""
    with quiet(), ctx.seeded():
        config = transformers_class(checkpoint, "Config")(**checkpoint.config)
        model: nn.Module = transformers_class(checkpoint, "Model")(config)
    return model


def pretrained(checkpoint: Checkpoint, ctx: LoadContext) -> nn.Module:
    """The encoder from the folder ``ctx.weights``: every weight read, none left random.

    Raises:
        ArtifactError: a file is missing or damaged, the architecture is another, or keys do not
            fit.
    """
    assert ctx.weights is not None  # the caller asks for pretrained weights
    _check_architecture(checkpoint, ctx.weights)
    model_class = transformers_class(checkpoint, "Model")
    unused = (*checkpoint.heads, *FINE_TUNED)
    return from_folder(
        model_class,
        ctx,
        name=checkpoint.name,
        hub=checkpoint.hub,
        unused=unused,
        may_lack=NEVER_USED,
    )


def _check_architecture(checkpoint: Checkpoint, folder: Path) -> None:
    """Nothing, if config.json describes the record's network: its type and sizes, and nothing
    behind the last block.
    """
    path = folder / "config.json"
    config, defaults = (
        read_json(path, name=checkpoint.name, hub=checkpoint.hub),
        transformers_class(checkpoint, "Config")(),
    )
    got = {
        "model_type": config.get("model_type"),
        "hidden_size": config.get("hidden_size", defaults.hidden_size),
        "num_hidden_layers": config.get("num_hidden_layers", defaults.num_hidden_layers),
        "add_adapter": config.get(
            "add_adapter", False
        ),  # convolutions behind the last block: other frames than the record's
    }
    expected = {
        "model_type": defaults.model_type,
        "hidden_size": checkpoint.dim,
        "num_hidden_layers": checkpoint.layers - 1,
        "add_adapter": False,
    }
    check_configuration(path, got, expected, name=checkpoint.name, hub=checkpoint.hub)
    published = transformers_class(checkpoint, "Config")(**checkpoint.config).to_dict()
    sizes = {key: _listed(published[key]) for key in SIZES if key in published}
    got = {key: _listed(config.get(key, getattr(defaults, key))) for key in sizes}
    check_configuration(path, got, sizes, name=checkpoint.name, hub=checkpoint.hub)


def _listed(value: object) -> object:
    """JSON knows no tuples."""
    return list(value) if isinstance(value, tuple) else value


def reads_normalized(checkpoint: Checkpoint, folder: Path) -> bool:
    """Whether clips are scaled to zero mean and unit variance: what the folder's preprocessor says,
    else what is published.
    """
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        return checkpoint.normalize
    settings = read_json(path, name=checkpoint.name, hub=checkpoint.hub)
    normalize, rate = settings.get("do_normalize"), settings.get("sampling_rate", 16000)
    if not isinstance(normalize, bool) or rate != 16000:
        raise ArtifactError(
            f"{checkpoint.name}: {path}: do_normalize is {normalize!r} and sampling_rate {rate!r},"
            f" expected true or false and 16000; give a copy of {checkpoint.hub}"
        )
    return normalize
