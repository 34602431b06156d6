"""Pages that are a network's reader: draw a digit, and the network reads it, on your own device.

:mod:`prune_lab.reader.page` writes a page into which a network comes as a QR code or a link;
:mod:`prune_lab.reader.address` puts page and network into one address. docs/reader.md shows both.
"""
