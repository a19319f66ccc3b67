package kinds

import (
	"io/fs"
	"reflect"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// One more file is one more DNS, or extra, and nothing else has to be changed.
func TestOneFileIsOneKind(t *testing.T) {
	files := fstest.MapFS{
		"dns/slow.yaml":     {Data: []byte("# Slow.\n# facts:\n#   rank: 3\n#   title: slow\n#   objects: [slow]\n#   keeps_denials: 7\nkind: ConfigMap\n")},
		"dns/shared.yaml":   {Data: []byte("# no facts\nkind: Service\n")},
		"dns/quick.yaml":    {Data: []byte("# facts:\n#   rank: 1\n#   title: quick\n#   objects: [shared, quick]\n")},
		"extras/other.yaml": {Data: []byte("# facts:\n#   rank: 1\n#   title: other\n#   objects: [other]\n")},
	}
	dns, err := ReadDNS(files)
	require.NoError(t, err)
	require.Equal(t, []DNS{
		{Name: "quick", Rank: 1, Title: "quick", Objects: []string{"shared", "quick"}},
		{Name: "slow", Rank: 3, Title: "slow", Objects: []string{"slow"}, KeepsDenials: 7},
	}, dns)
	extras, err := ReadExtras(files)
	require.NoError(t, err)
	require.Equal(t, []Extra{{Name: "other", Rank: 1, Title: "other", Objects: []string{"other"}}}, extras)

	for header, wrong := range map[string]string{
		"#   rank: 1\n#   objects: [slow]\n#   tll: 30\n": `unknown field "tll"`,
		"#   rank: 1\n#   objects: [gone]\n":              "object gone",
		"#   rank: 1\n":                                   "no objects",
	} {
		files["dns/slow.yaml"].Data = []byte("# facts:\n" + header)
		_, err := ReadDNS(files)
		require.ErrorContains(t, err, wrong)
	}
}

// Every file is a kind or a part of one, and every fact is said of one at least.
func TestFactsAreWhole(t *testing.T) {
	used := map[string]bool{}
	said := map[string]bool{}
	seen := func(folder string, v reflect.Value, objects []string) {
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				said[v.Type().Field(i).Name] = true
			}
		}
		used[folder+"/"+v.FieldByName("Name").String()+".yaml"] = true
		for _, o := range objects {
			used[folder+"/"+o+".yaml"] = true
		}
	}
	for _, d := range AllDNS {
		seen("dns", reflect.ValueOf(d), append(d.Objects, d.Front...))
	}
	for i := range reflect.TypeFor[DNS]().NumField() {
		require.True(t, said[reflect.TypeFor[DNS]().Field(i).Name], reflect.TypeFor[DNS]().Field(i).Name)
	}
	for _, e := range Extras {
		seen("extras", reflect.ValueOf(e), e.Objects)
		require.NotEmpty(t, e.Title)
	}
	require.NoError(t, fs.WalkDir(Files, ".", func(p string, d fs.DirEntry, err error) error {
		require.True(t, d.IsDir() || used[p], p)
		return err
	}))
}
