"""Places for files: a folder, or a URI. Settings are checked with this module, so it imports nothing slow."""

from urllib.parse import SplitResult, urlsplit

SCHEMES = ("file", "s3", "gs")


def uri_of(where: str) -> SplitResult | None:
    """The parts of a URI; None where `where` is the path of a folder.

    Raises:
        ValueError: the URI names no place for files; says what is expected.
    """
    if "://" not in where:
        return None
    uri = urlsplit(where)
    if uri.scheme not in SCHEMES:
        raise ValueError(f"expected a folder, or a URI that begins with {', '.join(f'{s}://' for s in SCHEMES)}")
    if uri.scheme == "file":
        if uri.netloc not in ("", "localhost") or not uri.path.startswith("/"):
            raise ValueError("expected an absolute path in a file URI, such as file:///srv/registry")
        return uri
    if uri.password is not None:
        raise ValueError(
            "refused: URIs are printed and must hold no secret; give the login in the environment "
            "(AWS_ACCESS_KEY_ID, GOOGLE_APPLICATION_CREDENTIALS) or by the role of the machine"
        )
    if not uri.hostname:
        raise ValueError(f"expected the name of a bucket, such as {uri.scheme}://bucket/registry")
    return uri
