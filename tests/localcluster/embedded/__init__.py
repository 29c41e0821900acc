"""An embedded Kubernetes API server, for machines that have no control plane: in memory, on 127.0.0.1, in one process.

Real kubectl, helm, kopf and the `kubernetes` client work against it. `python -m localcluster.embedded` runs it; the
conformance tests (tests/cluster/test_api_conformance.py) hold it and the real server to the same expectations.
A request passes server (who, may they, where to) -> handlers or subresources -> lifecycle (defaults, validation, field
managers, finalizers) -> store; controllers listen to the store and act through the lifecycle as well.

What it does NOT do:

* Nothing is kept: when the process ends, everything is gone. Events of watches are remembered for the last 1000 changes
  of a kind. One process, no leader election, no aggregation, no audit.
* No admission webhooks, no ValidatingAdmissionPolicy, no quotas, limit ranges or pod security: those objects are stored
  (where the kind exists at all) and have no effect. PriorityClasses are plain objects.
* Controllers: only Deployment, ReplicaSet, garbage collection, namespaces and CRD clean-up. StatefulSets, DaemonSets,
  Jobs, CronJobs, Services (no Endpoints), HPAs and PodDisruptionBudgets (not consulted by eviction) are plain objects.
  A ReplicaSet does not adopt pods that it did not make, a Deployment under rollout is not scaled proportionally, and
  the controllers write no Events. No scheduler and no kubelet: a node agent binds and runs pods.
* CRDs: conversion is `None` only (versions share their objects). CEL comes from a wheel; a CRD whose rules it cannot compile
  or whose functions it lacks (format, isURL, quantity, optional types, optionalOldSelf …) is refused at creation, never
  half enforced. There is no cost budget. No ratcheting: an update must satisfy rules that the old object already broke.
* Built-in kinds are checked by the schemas of the `kubernetes` client, a few rules of their own, and no more: pod specs
  may be changed in place, quantities are not normalised, enums (restartPolicy …) are not checked, and a value of a wrong
  type is reported as invalid (422) where the real server fails to decode (400).
* Patterns run on Python's regular expressions, not on RE2.
* RBAC is evaluated in full for roles and bindings, but aggregation rules are not, and creating a role with more rights
  than one's own is not prevented. Of the standard roles only cluster-admin, system:discovery, system:basic-user and
  system:public-info-viewer exist. There are no certificates for users: tokens only.
* No protobuf (but for the handful of bodies that `kubectl create` and `kubectl auth` send so), no CBOR, no OpenAPI v2,
  no exec, attach, port-forward or proxy. Logs are files that the node agent writes; `--previous` finds nothing.
"""
