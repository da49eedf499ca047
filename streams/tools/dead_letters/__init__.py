"""`streams dead-letters`: what could not be used, why, and a second try after a fix."""
