"""The papers' tables, figures and claims as plans: what they say, what it takes to see it, and what came out here."""
