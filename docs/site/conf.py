"""Settings of Sphinx for the site; docs/build_site.py lays its pages out and builds it."""

project = "hvqlib"
author = "The hvqlib authors"
copyright = "The hvqlib authors; MIT"  # noqa: A001 (its name in Sphinx)
html_title = "Visual anomaly detection, by reading and running"
extensions = ["myst_nb", "sphinx.ext.mathjax"]
nb_execution_mode = "off"  # pages show what was saved, and tests compare that with what runs
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
html_theme = "sphinx_book_theme"
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "navbar_persistent": [],  # one search field is enough
}
html_static_path = ["static"]
html_css_files = ["style.css"]
mathjax_path = "mathjax/tex-svg.js"  # from this folder: nothing is fetched
html_copy_source = False
html_show_sphinx = False
suppress_warnings = ["myst.header", "toc.not_included"]  # the glossary has no second level; pages linked from one page
