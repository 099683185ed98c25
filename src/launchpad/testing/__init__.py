"""For the tests of plugins and of launchpad itself: the conformance kit, the fake engine, simulated machines."""
