"""Third-party YAML: no tags that build objects, no duplicate keys, no merge keys, and a bounded
size.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from nverbench.errors import reason_of

MOST = 1_000_000
"""Bytes of a file. PyYAML reads about a hundred thousand in a second."""
LONGEST = 100
"""Characters of a number."""


def load_yaml(path: Path) -> Any:
    """The content of a YAML file. Aliases are shared, not copied: code that walks or prints it must
    not expand them.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is not valid; the message is one line.
    """
    with path.open("rb") as file:
        text = file.read(MOST + 1)
    if len(text) > MOST:
        raise ValueError(f"more than {MOST:,} bytes")
    try:
        # a SafeLoader that also refuses duplicate keys
        return yaml.load(text.decode("utf-8"), Loader=_UniqueKeys)  # noqa: S506
    # PyYAML's constructors also let ValueError, KeyError, IndexError, AttributeError,
    # RecursionError through
    except Exception as error:
        raise ValueError(reason_of(error, 400)) from error


class _UniqueKeys(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:  # also refuses <<: nested merges grow without a bound
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r:.60} is given twice", node.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        if len(node.value) > LONGEST:  # base 60 (1:30:00) takes quadratic time
            raise yaml.constructor.ConstructorError(
                None, None, f"a number of {len(node.value):,} letters", node.start_mark
            )
        whole = node.tag == "tag:yaml.org,2002:int"
        construct = self.construct_yaml_int if whole else self.construct_yaml_float
        number: int | float = construct(node)
        return number


for _kind in ("int", "float"):
    _UniqueKeys.add_constructor(f"tag:yaml.org,2002:{_kind}", _UniqueKeys.construct_number)
