from typing import Any

from torch.nn import functional as functional

class Module:
    def __init__(self) -> None: ...
    def __call__(self, *arguments: Any) -> Any: ...

class Linear(Module):
    def __init__(self, in_features: int, out_features: int) -> None: ...
