"""Where kopf meets the engine: settings, login, and watches that only hand over what they see."""
