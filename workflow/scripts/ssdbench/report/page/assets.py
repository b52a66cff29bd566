"""What the pages share: how their templates are read, and what they may load, which is nothing but themselves."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def page_templates() -> Environment:
    """The templates of the pages; what they are given is escaped."""
    return Environment(
        loader=PackageLoader("ssdbench.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def assets(templates: Environment, names: Sequence[str]) -> Markup:
    """Style sheets or scripts from among the templates, joined as they are."""
    assert templates.loader is not None
    sources = [templates.loader.get_source(templates, name)[0] for name in names]
    return Markup("\n".join(sources))  # noqa: S704 (our own files, not input)


def content_policy(style: str, script: str) -> str:
    """A content security policy that allows this style and script, by their hashes, and images in data URIs."""
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
