"""Values that people may give the charts: each is rendered, judged by Kubernetes' schemas, and tried on an API server."""

from typing import Any

Values = dict[str, Any]

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
MONITORING = "monitoring.coreos.com/v1"
NAMESPACES = ("team-a", "team-b")
"""Namespaces that the values name."""

_TOLERATION = {"key": "dedicated", "operator": "Equal", "value": "security", "effect": "NoSchedule"}
_SPREAD = {
    "maxSkew": 1,
    "topologyKey": "topology.kubernetes.io/zone",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "cloudtrail-operator"}},
}
_AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}]}
            ]
        }
    }
}
_PROMETHEUS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}

OPERATOR: dict[str, Values] = {
    "defaults": {},
    "two replicas": {"replicas": 2},
    "stopped": {"replicas": 0},
    "two namespaces": {"watchNamespaces": list(NAMESPACES)},
    "policies of two namespaces": {
        "watchNamespaces": list(NAMESPACES),
        "networkPolicy": {"enabled": True, "collectors": {"enabled": True}},
    },
    "policies with everything": {
        "networkPolicy": {
            "enabled": True,
            "metricsFrom": [_PROMETHEUS],
            "apiServerPorts": [6443],
            "apiServerBlocks": ["10.0.0.1/32", "fd00::1/128"],
            "collectors": {
                "enabled": True,
                "namespaces": list(NAMESPACES),
                "extraEgress": [
                    {
                        "to": [{"ipBlock": {"cidr": "10.1.0.0/16", "except": ["10.1.2.0/24"]}}],
                        "ports": [{"protocol": "TCP", "port": 9093, "endPort": 9095}],
                    }
                ],
            },
        }
    },
    "pinned images from elsewhere": {
        "image": {"repository": "registry.example.com:5000/operator", "digest": DIGEST, "pullPolicy": "Always"},
        "collector": {"image": {"repository": "registry.example.com:5000/collector", "tag": "1.2.3", "digest": DIGEST}},
        "imagePullSecrets": [{"name": "registry"}],
    },
    "placed": {
        "replicas": 3,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [_TOLERATION],
        "affinity": _AFFINITY,
        "topologySpreadConstraints": [_SPREAD],
        "priorityClassName": "system-cluster-critical",
        "hostUsers": False,
        "resources": {"requests": {"cpu": "250m", "memory": "256Mi"}, "limits": {"cpu": 1, "memory": "1Gi"}},
    },
    "decorated": {
        "podLabels": {"team": "security"},
        "podAnnotations": {"example.com/scrape": "no"},
        "extraEnv": [
            {"name": "AWS_REGION", "value": "us-east-1"},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "serviceAccount": {"annotations": {"example.com/owner": "security"}},
        "nameOverride": "ctop",
        "fullnameOverride": "trails",
    },
    "account of another's": {"serviceAccount": {"create": False, "name": "operators"}},
    "without CRDs": {"crds": {"install": False}},
    "CRDs that go": {"crds": {"keep": False}},
    "defaults of collectors": {
        "collector": {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [_TOLERATION],
            "podAnnotations": {"example.com/logs": "json"},
            "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"}],
        },
        "allowList": [{"name": "a", "namespaces": ["team-a"], "roleArns": ["arn:aws:iam::111122223333:role/team-a-*"]}],
        "pollSeconds": 5,
        "statusSeconds": 30.5,
        "stallSeconds": 600,
        "lagSeconds": 60,
        "logLevel": "DEBUG",
    },
    "monitored": {
        "monitors": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "1m"},
        "prometheusRule": {
            "enabled": True,
            "labels": {"release": "prometheus"},
            "alertLabels": {"team": "security"},
            "runbookUrl": "https://wiki.example.com/runbooks",
            "disabledAlerts": ["CloudTrailBacklogOld"],
            "thresholds": {"silentWindow": "4h", "backlogSeconds": 1800},
        },
        "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Security"}},
    },
}

Refused = tuple[Values, str]
"""Values, and what a refusal must name."""

REFUSED: dict[str, Refused] = {
    "misspelt": ({"replicaCuont": 1}, "replicaCuont"),
    "misspelt inside": ({"collector": {"imgae": {}}}, "imgae"),
    "unknown level": ({"logLevel": "loud"}, "logLevel"),
    "namespace in capitals": ({"watchNamespaces": ["A"]}, "watchNamespaces"),
    "rule for no namespace": ({"allowList": [{"name": "a", "namespaces": []}]}, "allowList/0/namespaces"),
    "rule with an unknown field": ({"allowList": [{"name": "a", "namespaces": ["a"], "roles": []}]}, "roles"),
    "rule with no ARN": ({"allowList": [{"name": "a", "namespaces": ["a"], "roleArns": ["role/x"]}]}, "roleArns"),
    "tag in the repository's place": ({"image": {"repository": "r/operator@sha256:0"}}, "image/repository"),
    "short digest": ({"image": {"digest": "sha256:0123"}}, "image/digest"),
    "secret by its bare name": ({"imagePullSecrets": ["registry"]}, "imagePullSecrets"),
    "toleration of no effect": ({"tolerations": [{"key": "a", "effect": "Never"}]}, "effect"),
    "amount with a blank": ({"resources": {"limits": {"memory": "512 Mi"}}}, "resources/limits/memory"),
    "resources of a kind of their own": ({"resources": {"memory": "512Mi"}}, "memory"),
    "affinity of no kind": ({"affinity": {"nodeAfinity": {}}}, "nodeAfinity"),
    "label that selects": ({"podLabels": {"app.kubernetes.io/name": "mine"}}, "podLabels"),
    "label that is too long": ({"podLabels": {"team": "x" * 64}}, "podLabels/team"),
    "the chart's own variable": ({"extraEnv": [{"name": "CLOUDTRAIL_OPERATOR_LEASE", "value": "x/y"}]}, "extraEnv/0"),
    "variable without a name": ({"collector": {"extraEnv": [{"value": "x"}]}}, "collector/extraEnv/0"),
    "peer of no kind": ({"networkPolicy": {"metricsFrom": [{}]}}, "metricsFrom/0"),
    "address in place of a block": ({"networkPolicy": {"apiServerBlocks": ["10.0.0.1"]}}, "apiServerBlocks/0"),
    "policies for collectors nowhere": (
        {"networkPolicy": {"collectors": {"enabled": True}}},
        "networkPolicy.collectors.namespaces",
    ),
    "account of another's without a name": ({"serviceAccount": {"create": False}}, "serviceAccount.name"),
    "interval in words": ({"monitors": {"interval": "often"}}, "monitors/interval"),
    "neither on nor off": ({"dashboards": {"enabled": "maybe"}}, "dashboards/enabled"),
    "runbook with an anchor": ({"prometheusRule": {"runbookUrl": "https://wiki.example.com/#x"}}, "runbookUrl"),
    "negative replicas": ({"replicas": -1}, "replicas"),
    "time without end": ({"pollSeconds": 100000}, "pollSeconds"),
}

_SOURCE = {
    "bucket": "acme-cloudtrail",
    "queueArn": "arn:aws:sqs:us-east-1:111122223333:cloudtrail",
    "region": "us-east-1",
    "roleArn": "arn:aws:iam::111122223333:role/cloudtrail-collector",
    "sinks": [{"name": "log", "stdout": {}}],
}

SOURCES: dict[str, Values] = {
    "none": {},
    "one": {"sources": {"trail": {"spec": _SOURCE}}},
    "two that share": {
        "labels": {"team": "security"},
        "annotations": {"example.com/owner": "security"},
        "sourceDefaults": {name: value for name, value in _SOURCE.items() if name != "bucket"},
        "sources": {
            "trail": {"spec": {"bucket": "acme-cloudtrail", "mode": "Test"}, "labels": {"stage": "test"}},
            "data-events": {"spec": {"bucket": "acme-data-events"}, "annotations": {"example.com/owner": "data"}},
        },
    },
    "with backfills": {
        "sources": {"trail": {"spec": _SOURCE}},
        "backfillDefaults": {"sourceRef": {"name": "trail"}},
        "backfills": {"last-month": {"spec": {"interval": "30d"}}},
    },
}

REFUSED_SOURCES: dict[str, Refused] = {
    "misspelt": ({"source": {}}, "'source'"),
    "misspelt field": ({"sources": {"a": {"spec": _SOURCE | {"buckets": "acme-cloudtrail"}}}}, "'buckets'"),
    "misspelt field of all": ({"sourceDefaults": {"queueARN": _SOURCE["queueArn"]}}, "'queueARN'"),
    "misspelt field of a sink": (
        {"sources": {"a": {"spec": _SOURCE | {"sinks": [{"nam": "x", "stdout": {}}]}}}},
        "'nam'",
    ),
    "unknown mode": ({"sources": {"a": {"spec": _SOURCE | {"mode": "On"}}}}, "mode"),
    "spec on the wrong level": ({"sources": {"a": _SOURCE}}, "sources/a"),
    "name in capitals": ({"sources": {"Trail": {"spec": _SOURCE}}}, "Trail"),
    "list in place of names": ({"sources": [{"name": "a", "spec": _SOURCE}]}, "/sources"),
    "bucket that is none": ({"sourceDefaults": {"bucket": "Acme"}}, "sourceDefaults/bucket"),
    "number in place of a label": ({"labels": {"team": 7}}, "labels/team"),
}
