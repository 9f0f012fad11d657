#include "traces/repair.h"

#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "traces/dataset_table.h"
#include "traces/error.h"
#include "traces/hdf5_handle.h"
#include "traces/output_file.h"
#include "traces/reader.h"

namespace kvwave::traces {
namespace {

namespace fs = std::filesystem;

/// Opens for writing although the superblock says that a writer has the file, and although the file may be longer than
/// the superblock knows. Both properties are what HDF5's own h5clear tool sets; they have no public function.
FileHandle open_marked(const fs::path& path) {
  const PropertyHandle access(H5Pcreate(H5P_FILE_ACCESS));
  const hbool_t yes = true;
  check_hdf5(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110));
  check_hdf5(H5Pset(access.get(), "clear_status_flags", &yes));
  check_hdf5(H5Pset(access.get(), "skip_eof_check", &yes));
  FileHandle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, access.get()));
  // Takes the true end of the file as the end of what is allocated; without this, closing would cut the file.
  check_hdf5(H5Fincrement_filesize(file.get(), 0));
  return file;
}

void cut(hid_t file, const DatasetSpec& spec, std::uint64_t rows) {
  const DatasetHandle dataset(H5Dopen2(file, spec.name, H5P_DEFAULT));
  std::vector<hsize_t> extents = {rows};
  extents.insert(extents.end(), spec.inner.begin(), spec.inner.end());
  check_hdf5(H5Dset_extent(dataset.get(), extents.data()));
}

void repair_in_place(const fs::path& path, const TraceReader& trace) {
  FileHandle file = open_marked(path);
  for (const DatasetSpec& spec : dataset_table(trace.info())) {
    if (spec.extent == Extent::position) cut(file.get(), spec, trace.n_positions());
  }
  check_hdf5(H5Fflush(file.get(), H5F_SCOPE_GLOBAL));
  check_hdf5(file.close());
}

}  // namespace

Repaired repair_trace(const fs::path& source, const fs::path& target, bool overwrite) {
  prepare_hdf5();
  const TraceReader trace(source);
  check_output(target, overwrite);
  std::error_code error;
  if (fs::equivalent(source, target, error)) {
    throw OutputFailed(fmt::format("{}: is the damaged file itself; repair writes a copy", target.string()));
  }
  const fs::path temporary = target.string() + fmt::format(".tmp{}", getpid());
  const auto fail = [&](const std::string& what) {
    fs::remove(temporary, error);
    throw OutputFailed(fmt::format("{}: {}", target.string(), what));
  };
  if (!fs::copy_file(source, temporary, fs::copy_options::overwrite_existing, error)) {
    fail("cannot copy: " + error.message());
  }
  try {
    if (trace.swmr()) repair_in_place(temporary, trace);
    const TraceReader copy(temporary);
    if (copy.swmr() || copy.n_positions() != trace.n_positions() || copy.content_sha256() != trace.content_sha256()) {
      fail("the repaired copy does not hold what the damaged file holds");
    }
  } catch (const Hdf5Failure& failure) {
    fail(fmt::format("cannot repair: {}", failure.what()));
  } catch (...) {
    fs::remove(temporary, error);
    throw;
  }
  fs::rename(temporary, target, error);
  if (error) fail("cannot rename into place: " + error.message());
  return {trace.n_positions(), trace.swmr()};
}

}  // namespace kvwave::traces
