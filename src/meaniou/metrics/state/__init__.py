"""The state of a metric: exact counts that ranks share, in calls that change all of it or nothing."""
