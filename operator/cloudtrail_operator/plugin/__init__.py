"""`kubectl cloudtrail …`: what people do with sources at a terminal, through kubectl and nothing else.

arguments → a command module (status, sample, kubernetes_events, modes, aws) → kubectl → views → text. Every request goes
through the kubectl that called, so that its contexts, credentials and plugins hold; no other client is loaded.
"""

PROGRAM = "kubectl cloudtrail"
"""What people type."""
