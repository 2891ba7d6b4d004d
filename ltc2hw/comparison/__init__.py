"""What integers cost: decisions, causes, reports and how they are shown."""
