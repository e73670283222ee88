"""Installing and running PostPilot on one machine: embedded servers, supervisor, doctor."""
