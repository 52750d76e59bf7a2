package imports

import (
	"context"
	"crypto/sha256"
	"log/slog"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// mapPage turns a list's documents into records and rejects. Records that the list
// calls deleted are made tombstones at once, which may be repeated.
func (im *Importer) mapPage(
	ctx context.Context, db *tenantdb.DB, w store.PageWork, page salla.Page, commit *tenantdb.PageCommit,
) error {
	resource := w.Stream.Resource
	batch := tenantdb.Batch{}
	sum := sha256.New()
	strange := map[string]int{}
	for _, raw := range page.Records {
		m, err := mapRecord(resource, asListed, raw, w.Now)
		sum.Write([]byte(m.Record.Key + "\n"))
		switch {
		case err != nil:
			commit.Rejects = append(commit.Rejects, reject(m, resource, raw, err))
		case m.Deleted:
			order := tenantdb.TombstoneOrder{SourceUpdatedAt: m.Record.SourceUpdatedAt, ReadAt: w.Now, FromRead: true}
			if _, err := db.Tombstone(ctx, resource, m.Record.Key, order); err != nil {
				return err
			}
			commit.Deleted++
		default:
			batch.Shape = m.Shape
			batch.Records = append(batch.Records, m.Record)
		}
		if m.Strange != "" {
			strange[m.Strange]++
		}
	}
	im.noteStrange(ctx, resource, strange)
	if len(batch.Records) > 0 {
		commit.Batches = append(commit.Batches, batch)
	}
	if len(page.Records) > 0 {
		commit.Digest = sum.Sum(nil)
	}
	return nil
}

// noteStrange tells of statuses that we do not know; their records count as
// pending, and keep the word in their documents.
func (im *Importer) noteStrange(ctx context.Context, resource string, strange map[string]int) {
	for status, n := range strange {
		im.Log.WarnContext(ctx, "unknown status counts as pending",
			slog.String("resource", resource), slog.String("status", status), slog.Int("records", n))
	}
}
