"""An embedded Kubernetes API server for machines without a control plane."""
