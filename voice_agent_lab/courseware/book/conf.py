"""Sphinx's configuration of the book: notebooks as they are stored, a page a module, no network."""

from types import GenericAlias
from typing import Any

from voice_agent_lab import __version__

project = "Voice Agent Lab"
author = copyright = "The Voice Agent Lab authors"  # noqa: A001  # Sphinx's name
release = version = __version__
language = "en"

extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
templates_path = ["templates"]
exclude_patterns = ["templates"]
default_role = "code"

# The notebooks' outputs are compared elsewhere; here they are shown.
nb_execution_mode = "off"
nb_merge_streams = True
myst_heading_anchors = 3
myst_enable_extensions: list[str] = []

autosummary_generate = True
autodoc_default_options = {
    "members": True,
    "show-inheritance": True,
    "ignore-module-all": True,
    "no-value": True,  # some are long, and some are paths of the machine that builds
}
add_module_names = False  # the page's title tells the module
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True  # as they are written
autodoc_typehints = "none"  # the docstrings tell the types in words
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_theme = "sphinx_book_theme"
html_title = "Voice Agent Lab"
html_extra_path = ["extra"]
html_static_path = ["static"]
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_show_sourcelink = False
html_use_index = html_domain_indices = False  # the contents and the search find everything
html_copy_source = False
html_theme_options = {
    "use_download_button": False,
    "show_toc_level": 2,
    "navbar_persistent": [],  # the search is in the sidebar
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def setup(app: Any) -> None:
    """Leave out short names of types, such as ``list[float]``, which numpydoc takes for classes."""

    def is_alias(app: Any, kind: str, name: str, member: object, skip: bool, options: object) -> bool | None:
        return isinstance(member, GenericAlias) or None

    app.connect("autodoc-skip-member", is_alias)
