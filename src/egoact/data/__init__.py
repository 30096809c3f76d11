"""Where pixels and features come from: media readers, the feature store, batches."""
