"""The app: pages for anyone, and a REST API for programs."""
