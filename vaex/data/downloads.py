"""Where a builder's files come from: the user's folder, earlier downloads, or the network after one short attempt."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vaex._check import VaexError

_LISTED = 8  # files named in a message
_TIMEOUT = 10.0  # seconds to wait for the download's server


def manager(name: str, builder: Any, extract_dir: Path, manual: Path | None) -> Callable[..., Any]:
    """Returns what makes tensorflow-datasets' download manager for `builder`, with messages of our own.

    Files are taken from `manual` where it is given, by the names they are downloaded under, and unpacked into
    `extract_dir`: in tensorflow-datasets' own place, files of one name that belong to two data sets would mix.
    """
    import requests
    from tensorflow_datasets.core.download.download_manager import DownloadManager
    from tensorflow_datasets.core.download.resource import Resource
    from tensorflow_datasets.core.download.util import DownloadError

    class Manager(DownloadManager):
        def download(self, url_or_urls: Any) -> Any:
            return self._said(DownloadManager.download, url_or_urls)

        def download_and_extract(self, url_or_urls: Any) -> Any:
            return self._said(DownloadManager.download_and_extract, url_or_urls)

        def _said(self, call: Callable[..., Any], urls: Any) -> Any:
            resources = [url if isinstance(url, Resource) else Resource(url=url) for url in _leaves(urls)]
            missing = [resource for resource in resources if not self._at_hand(resource)]
            listed = self._listed(resources)
            if missing and manual:
                raise VaexError(
                    f"{name}: expected {listed} in {manual.absolute()}, missing "
                    f"{self._listed(missing)}; type data.manual_dir=FOLDER"
                )
            try:
                for resource in missing[:1]:
                    _check_reachable(resource.url)
                return call(self, urls)
            except (requests.RequestException, DownloadError) as error:
                raise VaexError(
                    f"{name}: cannot be downloaded from {missing[0].url if missing else urls} "
                    f"({type(error).__name__}); put {listed} into a folder and type data.manual_dir=FOLDER"
                ) from error

        def _listed(self, resources: list[Any]) -> str:
            more = f" and {len(resources) - _LISTED} more" if len(resources) > _LISTED else ""
            return ", ".join(self._file(resource) for resource in resources[:_LISTED]) + more

        def _file(self, resource: Any) -> str:
            known = self._url_infos.get(resource.url)
            return (known and known.filename) or resource.url.split("?")[0].rsplit("/", 1)[-1]

        def _at_hand(self, resource: Any) -> bool:
            return bool(
                self._get_manually_downloaded_path(self._url_infos.get(resource.url))
                or self._get_checksum_dl_result(resource)
                or self._get_checksum_dl_result(resource, legacy_mode=True)
                or self._get_url_dl_result(resource)
            )

        def _register_or_validate_checksums(self, url: str, url_info: Any, path: Any) -> None:
            expected = self._url_infos.get(url)
            if expected and (expected.size, expected.checksum) != (url_info.size, url_info.checksum):
                raise VaexError(
                    f"{name}: {path} is not the original of {url}: expected {int(expected.size)} bytes of SHA-256 "
                    f"{expected.checksum}, got {int(url_info.size)} of {url_info.checksum}; fetch {expected.filename} "
                    "again"
                )
            self._recorded_url_infos[url] = url_info

    def make(download_dir: Any, download_config: Any) -> Any:
        del download_config
        return Manager(
            download_dir=download_dir,
            extract_dir=extract_dir,
            manual_dir=manual,
            manual_dir_instructions=builder.MANUAL_DOWNLOAD_INSTRUCTIONS,
            url_infos=builder.url_infos,
            dataset_name=builder.name,
            max_simultaneous_downloads=builder.MAX_SIMULTANEOUS_DOWNLOADS,
        )

    return make


def _leaves(tree: Any) -> Iterator[Any]:
    """Yields the URLs of a tree of dictionaries and lists, in its own order."""
    branches = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, (list, tuple)) else None
    if branches is None:
        yield tree
    else:
        for branch in branches:
            yield from _leaves(branch)


def _check_reachable(url: str) -> None:
    # One short attempt: tensorflow-datasets retries for minutes before it says that there is no network.
    import requests

    with requests.get(url, stream=True, timeout=_TIMEOUT) as response:
        response.raise_for_status()
