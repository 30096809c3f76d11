"""XML that somebody handed us: no document type, no entities of its own, no endless depth, a bounded size."""

from xml.etree import ElementTree
from xml.parsers import expat

from egoact.core.annotations.formats.exchange import Source

MOST_XML_BYTES = 64 * 2**20
_MOST_DEPTH = 100


class _Refused(Exception):
    """Why this XML is not read."""


def check_xml(source: Source) -> None:
    """An `AnnotationError` for XML that makes a parser expand entities, read files or fill memory, and for none."""
    if len(source.content) > MOST_XML_BYTES:
        raise source.error(f"more than {MOST_XML_BYTES // 2**20} MiB of XML; this is hardly a file of annotations")
    depth = 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MOST_DEPTH:
            raise _Refused(f"elements nested more than {_MOST_DEPTH} deep")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: object) -> None:
        raise _Refused("a document type or entities of its own, which annotations do not need, and which are not read")

    parser = expat.ParserCreate(namespace_separator="}")  # as ElementTree: prefixes must be bound
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(source.content, True)
    except expat.ExpatError as error:
        raise source.refuse(f"not well-formed XML: {expat.ErrorString(error.code)}", error.lineno) from None
    except (_Refused, ValueError, LookupError) as error:  # the last two: an encoding that is not supported, or none
        raise source.refuse(str(error), parser.CurrentLineNumber) from None


def load_xml(source: Source) -> ElementTree.Element:
    """The root element of a checked file."""
    check_xml(source)
    return ElementTree.fromstring(source.content)


def xml_characters(text: str) -> str:
    """The text without the characters that XML 1.0 cannot hold."""
    return "".join(c for c in text if c in "\t\n\r" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) != 0xFFFE)
