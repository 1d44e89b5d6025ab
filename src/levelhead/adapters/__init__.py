"""Translations for other frameworks: no mathematics here, and nothing of levelhead imports them."""
