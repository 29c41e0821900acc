"""Runs kubectl: a request becomes JSON, or an error in words for people.

kubectl is there wherever a plugin of it runs. It finds the cluster (KUBECONFIG, contexts), logs in (exec plugins, OIDC,
certificates) and knows proxies: none of this is done here again.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

from cloudtrail_operator.plugin.errors import ChangedError, InputError, MissingError, PluginError, RefusedError

_FORBIDDEN = re.compile(
    r'User "(?P<user>[^"]*)" cannot (?P<verb>\w+) resource "(?P<resource>[^"]*)" in API group "(?P<group>[^"]*)"'
    r'(?: in the namespace "(?P<namespace>[^"]*)"| at the cluster scope)'
)
_CONTEXT = re.compile(r'context "([^"]+)" does not exist|context was not found for specified context: (\S+)')
_NO_KIND = (
    "the cluster has no CloudTrailSources: the CRD is missing. Install the chart cloudtrail-operator, or choose another"
    " cluster with --context"
)
_MEANINGS: tuple[tuple[tuple[str, ...], type[PluginError], str], ...] = (
    (("Please enter Username",), RefusedError, "the kubeconfig has no credentials for its user"),
    (
        ("You must be logged in to the server", "(Unauthorized)"),
        RefusedError,
        "the cluster does not accept your credentials: {words}",
    ),
    (
        ("the server doesn't have a resource type", "could not find the requested resource", "no matches for kind"),
        MissingError,
        _NO_KIND,
    ),
    (("(NotFound)",), MissingError, "{words}"),
    (
        (
            "Unable to connect to the server",
            "The connection to the server",
            "i/o timeout",
            "no such host",
            "connection refused",
            "context deadline exceeded",
        ),
        PluginError,
        "no cluster answers: {words}. Try `kubectl cluster-info`, or choose another with --context",
    ),
    (("due to an error in our request", "(Conflict)"), ChangedError, "{words}"),
)
"""What kubectl writes → the error it means, and how to say it; the first that fits."""


class Kubectl:
    """kubectl with the options that choose a cluster and a user."""

    def __init__(self, options: Sequence[str] = ()) -> None:
        """Find the program. Raises PluginError where there is none."""
        program = shutil.which("kubectl")
        if program is None:
            raise PluginError("kubectl is not in the PATH; the plugin talks to the cluster through it")
        self._command = [program]
        self._options = list(options)

    def run(self, *arguments: str) -> str:
        """Run a command and return what it prints. Raises a PluginError in words for people."""
        command = [*self._command, *arguments, *self._options]
        # No input: kubectl would ask for a name and a password where a user has neither.
        result = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if result.returncode:
            raise self._explain(result.stderr.decode("utf-8", "replace"), result.returncode)
        return result.stdout.decode("utf-8", "replace")

    def get(self, *arguments: str) -> dict[str, Any]:
        """Read a resource, or a list of them."""
        document: dict[str, Any] = json.loads(self.run("get", *arguments, "-o", "json"))
        return document

    def _explain(self, text: str, code: int) -> PluginError:
        error = explain_failure(text, code)
        if isinstance(error, InputError):
            contexts = self._list_contexts()
            return InputError(f"{error}; there are: {', '.join(contexts)}" if contexts else f"{error}; there is none")
        return error

    def _list_contexts(self) -> list[str]:
        command = [*self._command, "config", "get-contexts", "-o", "name", *_keep_kubeconfig(self._options)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        return result.stdout.split()


def explain_failure(text: str, code: int) -> PluginError:
    """Turn what kubectl wrote to standard error into an error that says what to do."""
    words = _find_words(text)
    if match := _FORBIDDEN.search(text):
        return RefusedError(_explain_refusal(match))
    if match := _CONTEXT.search(text):
        return InputError(f"the kubeconfig has no context {match[1] or match[2]}")
    for phrases, kind, form in _MEANINGS:
        if any(phrase in text for phrase in phrases):
            return kind(form.format(words=words))
    return PluginError(words or f"kubectl ended with code {code}")


def _explain_refusal(match: re.Match[str]) -> str:
    resource, group = match["resource"], match["group"]
    named = f"{resource} ({group})" if group else resource
    place = f"in namespace {match['namespace']}" if match["namespace"] else "in all namespaces"
    return (
        f"{match['user']} may not {match['verb']} {named} {place}: ask for a Role with the verb {match['verb']} on"
        f" {resource}" + (f" of the API group {group}" if group else "")
    )


def _find_words(text: str) -> str:
    """Take the sentence for people: the last line, without the noise of kubectl's caches before it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    words = lines[-1] if lines else ""
    return re.sub(r"^(?:error|Error from server \(\w+\)|Error from server|Error): ", "", words)


def _keep_kubeconfig(options: Sequence[str]) -> list[str]:
    return [option for option in options if option.startswith("--kubeconfig=")]
