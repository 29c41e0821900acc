"""What is generated about the charts' values: tables in their READMEs, and the schema of cloudtrail-sources."""
