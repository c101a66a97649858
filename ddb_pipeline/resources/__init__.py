"""The clients that assets, sensors and checks use, as Dagster resources."""
