package manifests

import "strings"

// Text returns files as they are, for somebody to apply: one YAML stream. It is
// an error to ask for a file that there is not.
func Text(names ...string) (string, error) {
	docs := make([]string, len(names))
	for i, name := range names {
		b, err := files.ReadFile(name)
		if err != nil {
			return "", err
		}
		docs[i] = string(b)
	}
	return strings.Join(docs, "---\n"), nil
}
