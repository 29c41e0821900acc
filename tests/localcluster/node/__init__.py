"""The node agent: runs each Pod's containers as local processes, in place of a kubelet.

What a process on this machine cannot have is stood in for:

- No container file system. Every volume is a folder, and each occurrence of a mount path in command, arguments, values
  of environment variables, probes and hooks is rewritten to it. A path that a program has built in is not.
- No images. `command` must be given; without it the program named like the image's last path element is run.
- No network namespace. Each Pod gets a loopback address of its own, told to its programs by `CLOUDTRAIL_LISTEN_HOST`.
- No in-cluster token files at their fixed place. `KUBECONFIG` names a kubeconfig with the ServiceAccount's token.
- No isolation: resource limits, users, security contexts, read-only file systems and network policies do nothing.

Not done: sidecars (init containers that go on), ephemeral containers, host paths, persistent volumes, `subPathExpr`,
lifecycle `postStart`, gRPC probes, and updates of ConfigMap and Secret volumes after the Pod's start.
"""
