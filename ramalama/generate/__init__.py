"""Write a plan as text."""
