"""The local cluster that the demo and the cluster tests share: an API server, a node agent, a stand-in for AWS."""
