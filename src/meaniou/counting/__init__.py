"""One batch of maps becomes one int64 confusion matrix, and a row of counts for each image where asked."""
