"""What watches operator and collectors, as data: rules for Prometheus, dashboards for Grafana."""
